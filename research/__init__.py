"""Research: the rules of `trading/` replayed over much history at the speed of compiled code."""
