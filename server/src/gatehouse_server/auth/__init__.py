"""What protects: who asks, what a request asks for, whether it may pass. Nothing here knows the app or its settings."""
