"""Output and input on the terminal."""
