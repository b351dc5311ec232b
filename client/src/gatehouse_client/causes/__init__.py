"""Every cause of a failure and its fix, as sign-in and doctor name them."""
