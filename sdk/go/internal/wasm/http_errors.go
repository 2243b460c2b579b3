package wasm

import (
	http "gristmill/internal/bindings/wasi_http_types"
	"gristmill/internal/host"
)

// names are those of error codes that no user can act on.
var names = map[uint8]string{
	http.ErrorCodeDestinationIpProhibited:        "destination-IP-prohibited",
	http.ErrorCodeConnectionLimitReached:         "connection-limit-reached",
	http.ErrorCodeHttpRequestLengthRequired:      "HTTP-request-length-required",
	http.ErrorCodeHttpRequestBodySize:            "HTTP-request-body-size",
	http.ErrorCodeHttpRequestMethodInvalid:       "HTTP-request-method-invalid",
	http.ErrorCodeHttpRequestUriInvalid:          "HTTP-request-URI-invalid",
	http.ErrorCodeHttpRequestUriTooLong:          "HTTP-request-URI-too-long",
	http.ErrorCodeHttpRequestHeaderSectionSize:   "HTTP-request-header-section-size",
	http.ErrorCodeHttpRequestHeaderSize:          "HTTP-request-header-size",
	http.ErrorCodeHttpRequestTrailerSectionSize:  "HTTP-request-trailer-section-size",
	http.ErrorCodeHttpRequestTrailerSize:         "HTTP-request-trailer-size",
	http.ErrorCodeHttpResponseIncomplete:         "HTTP-response-incomplete",
	http.ErrorCodeHttpResponseHeaderSectionSize:  "HTTP-response-header-section-size",
	http.ErrorCodeHttpResponseHeaderSize:         "HTTP-response-header-size",
	http.ErrorCodeHttpResponseBodySize:           "HTTP-response-body-size",
	http.ErrorCodeHttpResponseTrailerSectionSize: "HTTP-response-trailer-section-size",
	http.ErrorCodeHttpResponseTrailerSize:        "HTTP-response-trailer-size",
	http.ErrorCodeHttpResponseTransferCoding:     "HTTP-response-transfer-coding",
	http.ErrorCodeHttpResponseContentCoding:      "HTTP-response-content-coding",
	http.ErrorCodeHttpUpgradeFailed:              "HTTP-upgrade-failed",
	http.ErrorCodeLoopDetected:                   "loop-detected",
	http.ErrorCodeConfigurationError:             "configuration-error",
}

// failed is an error code in words.
func failed(request *host.Request, code http.ErrorCode) error {
	switch code.Tag() {
	case http.ErrorCodeHttpRequestDenied:
		return host.HTTP(host.KindDenied, request.Authority, "")
	case http.ErrorCodeConnectionTimeout, http.ErrorCodeConnectionReadTimeout, http.ErrorCodeConnectionWriteTimeout,
		http.ErrorCodeHttpResponseTimeout, http.ErrorCodeDnsTimeout:
		return host.HTTP(host.KindTimeout, request.Authority, "")
	}
	return broken(request, words(code))
}

func words(code http.ErrorCode) string {
	switch code.Tag() {
	case http.ErrorCodeDnsError, http.ErrorCodeDestinationNotFound:
		return "there is no such name"
	case http.ErrorCodeConnectionRefused:
		return "the connection was refused"
	case http.ErrorCodeDestinationUnavailable, http.ErrorCodeDestinationIpUnroutable:
		return "it cannot be reached"
	case http.ErrorCodeConnectionTerminated:
		return "the connection was cut"
	case http.ErrorCodeTlsProtocolError, http.ErrorCodeTlsCertificateError, http.ErrorCodeTlsAlertReceived:
		return "TLS failed; is its certificate valid?"
	case http.ErrorCodeHttpProtocolError:
		return "it does not speak HTTP"
	case http.ErrorCodeInternalError:
		return code.InternalError().SomeOr("internal-error")
	}
	if name, known := names[code.Tag()]; known {
		return name
	}
	return "unknown error"
}
