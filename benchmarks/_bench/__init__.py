"""What the benchmark scripts beside this folder are made of."""
