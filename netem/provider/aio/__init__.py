"""The fake provider's sockets. One `Player` per reply performs its script on the stream of whichever protocol."""
