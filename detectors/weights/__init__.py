"""Weights by name: what there is, fetching it into one cache folder, and finding it there.

Nothing is fetched unless `get_weights`, or ``python -m detectors.weights get``, is called. The folder is ``weights``
in `poses.cache.cache_folder`.
"""

from detectors.weights.cache import find_weights, get_weights, resolve_weights, weights_folder
from detectors.weights.catalogue import CATALOGUE, WeightFile

__all__ = ["CATALOGUE", "WeightFile", "find_weights", "get_weights", "resolve_weights", "weights_folder"]
