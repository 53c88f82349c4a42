"""What a submission costs on this machine: images a second, latency, memory, energy; each row in fresh processes."""
