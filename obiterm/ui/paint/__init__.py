"""Pure painting helpers: colours, numbers, lines and the model behind the heat map."""
