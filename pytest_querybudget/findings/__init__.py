"""What was found: facts, and the words made from them."""
