// Package secrets reads values that the operator keeps out of job data, such as keys and passwords: those in
// `allow.secrets` of the job type.
//
// The host masks a secret that was asked for in the attempt's log and failure. It cannot do so in what a handler returns,
// sends or keeps.
package secrets

import (
	"context"

	"gristmill/internal/host"
)

// Get is the secret of this name, read anew by the host. [gristmill.ErrDenied] if the job type does not allow it.
func Get(ctx context.Context, name string) (string, error) { return host.Of(ctx).Secret(name) }
