"""What listener costs and how quickly it answers, beside what people would use instead: `python -m bench`."""
