"""What endpoints share below the pages: parameters and cookies of a request."""
