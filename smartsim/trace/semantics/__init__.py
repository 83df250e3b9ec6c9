"""OP x ZEROS -> ZEROS, READS, WORK: what each op makes of known zeros and needs of its inputs."""
