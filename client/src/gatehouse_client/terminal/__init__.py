"""What the person sees on the terminal."""
