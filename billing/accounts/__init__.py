"""Accounts: what supporters do with their pledges by themselves, through links in their mail."""
