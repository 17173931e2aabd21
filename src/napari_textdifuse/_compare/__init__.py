"""Look at images of the viewer together, and measure a fused one against its sources."""
