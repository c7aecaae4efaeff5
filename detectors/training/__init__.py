"""Fine-tuning of 2D keypoint detectors: recipes, examples with augmentation, targets and losses, the training loop."""
