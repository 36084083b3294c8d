"""What the README shows, and the script that makes it."""
