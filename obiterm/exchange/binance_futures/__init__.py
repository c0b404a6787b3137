"""The Binance USDⓈ-M futures wire dialect of the simulated exchange (binance.md §9–§13)."""
