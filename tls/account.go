package tls

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
)

// account returns the account at a directory. It is made once for all who share the
// storage, and kept: an authority bounds how many an address may make.
func (i *issuer) account(ctx context.Context, client *acme.Client) (acme.Account, error) {
	account, err := i.loadAccount(ctx, client)
	if err == nil {
		return account, nil
	}
	lock := "account_" + directoryKey(client.Directory)
	if err := i.storage.Lock(ctx, lock); err != nil {
		return account, fmt.Errorf("account: %w", err)
	}
	defer i.storage.Unlock(context.WithoutCancel(ctx), lock)
	if account, err = i.loadAccount(ctx, client); err == nil {
		return account, nil
	}
	if account, err = i.register(ctx, client, err); err != nil {
		return account, fmt.Errorf("account: %w", err)
	}
	return account, nil
}

// register makes the key, stores it, and then registers it: a process that is killed in
// between leaves a key that finds its account again (RFC 8555 7.3.1). why is what was
// wrong with what is stored.
func (i *issuer) register(ctx context.Context, client *acme.Client, why error) (account acme.Account, err error) {
	key, err := i.accountKey(ctx, client, why)
	if err != nil {
		return account, err
	}
	account.PrivateKey, account.TermsOfServiceAgreed = key, true
	if i.email != "" {
		account.Contact = []string{"mailto:" + i.email}
	}
	if i.eab != nil {
		if err := account.SetExternalAccountBinding(ctx, client, *i.eab); err != nil {
			return account, err
		}
	}
	if account, err = client.NewAccount(ctx, account); err != nil {
		return account, err
	}
	text, err := json.MarshalIndent(account, "", "\t")
	if err != nil {
		return account, err
	}
	return account, i.storage.Store(ctx, i.accountPath(client, ".json"), text)
}

// accountKey is the stored key, if that is good, or a new one.
func (i *issuer) accountKey(ctx context.Context, client *acme.Client, why error) (*ecdsa.PrivateKey, error) {
	text, err := i.storage.Load(ctx, i.accountPath(client, ".key"))
	if err == nil {
		if key, err := certmagic.PEMDecodePrivateKey(text); err == nil {
			if key, ok := key.(*ecdsa.PrivateKey); ok {
				return key, nil
			}
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(why, err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if text, err = certmagic.PEMEncodePrivateKey(key); err != nil {
		return nil, err
	}
	return key, i.storage.Store(ctx, i.accountPath(client, ".key"), text)
}

func (i *issuer) loadAccount(ctx context.Context, client *acme.Client) (account acme.Account, err error) {
	text, err := i.storage.Load(ctx, i.accountPath(client, ".json"))
	if err != nil {
		return account, err
	}
	if err := json.Unmarshal(text, &account); err != nil {
		return account, err
	}
	if text, err = i.storage.Load(ctx, i.accountPath(client, ".key")); err != nil {
		return account, err
	}
	account.PrivateKey, err = certmagic.PEMDecodePrivateKey(text)
	return account, err
}

func (i *issuer) forgetAccount(ctx context.Context, client *acme.Client) error {
	return i.storage.Delete(ctx, i.accountPath(client, ".json"))
}

// accountPath is where certmagic has it: acme/CA/users/MAIL/NAME.json and .key.
func (i *issuer) accountPath(client *acme.Client, extension string) string {
	mail := i.email
	if mail == "" {
		mail = "default"
	}
	mail = certmagic.StorageKeys.Safe(mail)
	return path.Join("acme", directoryKey(client.Directory), "users", mail, "account"+extension)
}
