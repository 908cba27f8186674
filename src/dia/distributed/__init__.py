"""Jobs on many processes and machines: the processes of torchrun or accelerate launch, and Ray."""
