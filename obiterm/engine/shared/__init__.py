"""What the gateways of several venues do alike."""
