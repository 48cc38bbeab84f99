"""Where the prices of a simulated session come from: recorded bars (`replay`) or a seeded market (`synthetic`)."""
