"""What is kept on disk: tokens, private files, and how they are sealed."""
