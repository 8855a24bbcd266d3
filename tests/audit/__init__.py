"""What is read of what is loaded."""
