"""From a program to a plan: what is computed in which form, what shares a loop, what shares memory."""
