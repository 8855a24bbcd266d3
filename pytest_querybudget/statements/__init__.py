"""What a statement is: its kind, tables, shape and columns."""
