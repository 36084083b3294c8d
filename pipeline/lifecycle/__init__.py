"""What a person or a clock starts around the four stages."""
