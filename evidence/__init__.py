"""Pure statistics over what happened: no clock, no IO."""
