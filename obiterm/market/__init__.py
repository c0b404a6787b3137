"""Order book, candles and signals: pure."""
