"""Events: their kinds and schemas, the rules for their texts, their exact bytes."""
