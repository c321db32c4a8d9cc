"""What a stage waits for; every sensor looks once and then waits without holding a worker."""
