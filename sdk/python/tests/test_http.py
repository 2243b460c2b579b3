import unittest
from datetime import timedelta

from gristmill import HttpError, PermanentError, RetryableError, _url, http, testing
from gristmill.http import Request, Response


class Requests(unittest.TestCase):
    def setUp(self) -> None:
        self.host = self.enterContext(testing.host())

    def test_tests_see_requests_and_give_answers(self) -> None:
        self.host.responses.append(Response(404, b"no", [("X-Answer", "yes")]))
        response = http.request("put", "http://example.com/x", headers={"A": "b"}, body="data", timeout=1.5)
        self.assertEqual((response.status, response.text(), response.is_success), (404, "no", False))
        self.assertEqual(response.header("x-ANSWER"), "yes")
        self.assertEqual(self.host.requests, [Request("PUT", "http://example.com/x", [("A", "b")], b"data", 1500)])

    def test_answers_come_in_their_order_and_may_be_functions(self) -> None:
        self.host.responses += [lambda request: Response(200, request.body[::-1]), HttpError("timeout", "too slow")]
        self.assertEqual(http.post("http://example.com", body=b"abc").body, b"cba")
        with self.assertRaisesRegex(HttpError, "too slow"):
            http.get("http://example.com")
        with self.assertRaisesRegex(HttpError, "`example.com` failed: the test gave no answer") as caught:
            http.get("http://example.com")
        self.assertEqual(caught.exception.kind, "failed")

    def test_json_both_ways(self) -> None:
        self.host.responses.append(Response(200, b'{"id":7}'))
        response = http.post("https://example.com", json={"to": "ada"})
        self.assertEqual(self.host.requests[0].body, b'{"to":"ada"}')
        self.assertEqual(self.host.requests[0].headers, [("content-type", "application/json")])
        self.assertEqual(response.json(), {"id": 7})
        self.assertEqual(response.json(dict[str, int]), {"id": 7})
        with self.assertRaisesRegex(ValueError, "at `id`: invalid type: integer `7`"):
            response.json(dict[str, str])

    def test_a_body_over_the_limit_is_refused(self) -> None:
        self.host.responses.append(Response(200, b"x" * 3000))
        with self.assertRaisesRegex(HttpError, "more than the 2000 bytes") as caught:
            http.get("http://example.com", max_body=2000)
        self.assertEqual(caught.exception.kind, "too-large")

    def test_a_body_can_be_read_piece_by_piece(self) -> None:
        self.host.responses += [Response(200, b"x" * 3000)] * 2
        with http.stream("GET", "http://example.com") as response:
            self.assertEqual([len(piece) for piece in response], [1024, 1024, 952])
        with http.stream("GET", "http://example.com") as response:
            self.assertEqual(len(next(iter(response))), 1024)
        self.assertEqual(list(response), [])

    def test_mistakes_are_not_sent(self) -> None:
        cases: list[tuple[str, str, str]] = [
            ("GET", "example.com", "`http://`"),
            ("GET", "ftp://example.com", "`http://`"),
            ("GET", "http://", "no host"),
            ("GET", "https:///path", "no host"),
            ("GET", "http://user:secret@example.com", "credentials"),
            ("GET", "http://exa mple.com", "percent-encoded"),
            ("GET", "http://bücher.example", "percent-encoded"),
            ("G T", "http://example.com", "is no method"),
        ]
        for method, url, message in cases:
            with self.subTest(url=url):
                with self.assertRaisesRegex(HttpError, message) as caught:
                    http.request(method, url)
                self.assertEqual(caught.exception.kind, "url")
        with self.assertRaisesRegex(TypeError, "not both"):
            http.post("http://example.com", body="x", json=1)
        with self.assertRaisesRegex(TypeError, "the header `a` is a text"):
            http.request("GET", "http://example.com", headers={"a": 1})  # type: ignore[arg-type]
        self.assertEqual(self.host.requests, [])

    def test_how_an_uncaught_one_ends_the_job(self) -> None:
        for kind, end in (("denied", PermanentError), ("timeout", RetryableError)):
            self.host.responses.append(HttpError(kind, "x"))
            with self.assertRaises(end):
                testing.call(lambda job, data: http.get("http://example.com").status, testing.job())

    def test_retry_after(self) -> None:
        for said, expected in [("7", timedelta(seconds=7)), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)]:
            response = Response(429, headers=[("Retry-After", said)])
            self.assertEqual(response.retry_after, expected)
        self.assertIsNone(Response(429).retry_after)


class Urls(unittest.TestCase):
    def test_parts(self) -> None:
        cases = [
            ("https://example.com", True, "example.com", "/"),
            ("HTTP://example.com:8080?q=1", False, "example.com:8080", "/?q=1"),
            ("http://[::1]:80/a/b?c=d#e", False, "[::1]:80", "/a/b?c=d"),
        ]
        for text, tls, authority, path in cases:
            self.assertEqual(_url.split(text), _url.Url(text, tls, authority, path))


if __name__ == "__main__":
    unittest.main()
