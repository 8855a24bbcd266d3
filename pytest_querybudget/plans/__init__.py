"""What the database would do: plans, index advice and its proof."""
