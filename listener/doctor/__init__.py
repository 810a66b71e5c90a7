"""What of the chain from microphone to sinks works on this machine, in words. `chain` walks it."""
