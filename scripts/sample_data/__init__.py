"""Make the project's sample data: a simulated head in four modalities, and a simulated street."""
