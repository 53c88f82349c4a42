"""From a submission's manifest to a callable model."""
