"""The actions by name."""

from __future__ import annotations

from lifting.data.procedural import actions_floor as floor
from lifting.data.procedural import actions_lying as lying
from lifting.data.procedural import actions_moving as moving
from lifting.data.procedural import actions_seated as seated
from lifting.data.procedural import actions_standing as standing
from lifting.data.procedural import actions_walking as walking
from lifting.data.procedural.scripts import Action

ACTIONS: dict[str, Action] = {
    "squat": Action(standing.squat, loose=True),
    "lunge": Action(standing.lunge),
    "bend": Action(standing.bend, loose=True),
    "reach": Action(standing.reach, loose=True),
    "gesture": Action(moving.gesture, loose=True),
    "stretch": Action(moving.stretch, loose=True),
    "balance": Action(moving.balance, loose=True),
    "jumping_jack": Action(moving.jumping_jack),
    "lift": Action(moving.lift, loose=True),
    "walk": Action(walking.walk),
    "stairs": Action(walking.stairs),
    "step_up": Action(walking.step_up),
    "sit": Action(seated.sit, loose=True),
    "sit_down_stand_up": Action(seated.sit_down_stand_up, loose=True),
    "sit_on_floor": Action(seated.sit_on_floor, loose=True),
    "kneel": Action(floor.kneel, loose=True),
    "kneel_on_one_knee": Action(floor.kneel_on_one_knee, loose=True),
    "all_fours": Action(floor.all_fours, loose=True),
    "crawl": Action(floor.crawl),
    "push_up": Action(floor.push_up, loose=True),
    "plank": Action(floor.plank, loose=True),
    "lie": Action(lying.lie, loose=True),
    "roll": Action(lying.roll),
    "sit_up": Action(lying.sit_up, loose=True),
    "get_up": Action(lying.get_up),
    "floor_stretch": Action(lying.floor_stretch, loose=True),
}
