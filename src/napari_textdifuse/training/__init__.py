"""Training of the light network; never imported by fusion."""
