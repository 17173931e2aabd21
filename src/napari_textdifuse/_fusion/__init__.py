"""The parts of the fusion widget, each with one job."""
