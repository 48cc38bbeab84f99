"""What the day trader's agents are made of: its options, its entry judge, its kill switch."""
