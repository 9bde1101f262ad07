"""A mailbox for one machine: takes every mail, delivers none, shows them on a page."""
