"""What the weekly bot's agents are made of: evidence, judgement, plan, performance of the plan, record and report."""
