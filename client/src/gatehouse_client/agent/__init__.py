"""The agent: the model, its tools and the conversation."""
