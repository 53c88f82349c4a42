"""What a run was measured on, and what a model costs."""
