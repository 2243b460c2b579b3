import unittest

from gristmill import PermanentError, testing

from handler import greet


class GreetTest(unittest.TestCase):
    def test_greets(self) -> None:
        with testing.host() as host:
            value = testing.call(greet, testing.job({"to": "Ada"}))
        self.assertEqual(value, {"greeting": "Hello Ada"})
        self.assertEqual(host.logs[0].message, "greeting Ada")

    def test_greets_nobody(self) -> None:
        with self.assertRaisesRegex(PermanentError, "nobody to greet"):
            testing.call(greet, testing.job({"to": ""}))


if __name__ == "__main__":
    unittest.main()
