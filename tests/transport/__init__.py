import pytest

pytest.register_assert_rewrite("tests.transport.harness", "tests.transport.scenarios")
