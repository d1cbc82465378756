"""Delivery: requests, who may get which events, what an answer means, the detached child."""
