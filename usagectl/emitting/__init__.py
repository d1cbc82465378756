"""Recording: permission, instrumented applications, the tracker."""
