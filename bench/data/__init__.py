"""From a dataset on disk to ordered uint8 batches."""
