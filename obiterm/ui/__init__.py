"""The full-screen terminal; the only room that knows Textual."""
