package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"waybill/activities/odoo"
	"waybill/config"
	"waybill/internal/console"
)

func (a *app) odoo() *cobra.Command {
	return console.Group("odoo", "Make in Odoo what Waybill needs, and prove that it is there", a.odooSetup(), a.odooCheck())
}

// setupDone is what odoo setup did.
type setupDone struct {
	Made  []string `json:"made"`            // empty: all was there
	Users []login  `json:"users,omitempty"` // made now: their passwords are shown once, here
}

// login is a user that was made.
type login struct {
	Login    string `json:"login"`
	Password string `json:"password"`
}

func (a *app) odooSetup() *cobra.Command {
	var admin, passwordFile, hint string
	var companies []int64
	c := &cobra.Command{
		Use: "setup", Short: "Make fields, views and the freight product; what is there stays", Args: cobra.NoArgs,
		Long: "Make fields, views and the freight product, through an administrator's login that is used for nothing else.\n\nIt may be run again: what is there stays.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.load((*config.Config).ForOdoo)
			if err != nil {
				return err
			}
			password, err := a.password(passwordFile)
			if err != nil {
				return err
			}
			as := connect(c.Odoo, admin, func() (string, error) { return password, nil })
			made, err := odoo.Setup(cmd.Context(), as, odoo.SetupOptions{FreightProduct: c.Odoo.FreightProduct, HintURL: hint})
			if err != nil {
				return fmt.Errorf("%w; made before that: %s; it may be run again", err, cmp.Or(strings.Join(made, ", "), "nothing"))
			}
			done := setupDone{Made: append([]string{}, made...)}
			if len(companies) > 0 {
				err = done.users(cmd.Context(), as, companies)
			}
			a.Say("Odoo has what Waybill needs; waybill-admin odoo check proves the two users' rights")
			return errors.Join(err, a.Show(done, func() { a.printSetup(done) })) // a password that was made is never lost
		},
	}
	f := c.Flags()
	f.StringVar(&admin, "admin-login", "admin", "login of an administrator of Odoo")
	f.StringVar(&passwordFile, "admin-password-file", "", "file with the administrator's password or API key; - reads it from standard input")
	f.StringVar(&hint, "hint-url", "", "URL of the bridge for Odoo to call, with its token: https://bridge.example.com/v1/hints/odoo?token=...; without it, Odoo calls nobody and is asked")
	f.Int64SliceVar(&companies, "users", nil, "make the two users "+odoo.StatusLogin+" and "+odoo.MoneyLogin+" as well, for these companies, by id: --users 1,3; passwords of those that are made are printed once")
	_ = c.MarkFlagRequired("admin-password-file") // the flag is there
	return c
}

// users makes the two users. One that is there keeps its password.
func (d *setupDone) users(ctx context.Context, admin odoo.Caller, companies []int64) error {
	made, err := odoo.SetupUsers(ctx, admin, companies...)
	for _, c := range made {
		d.Users = append(d.Users, login{c.Login, c.Password})
	}
	return err
}

func (a *app) printSetup(d setupDone) {
	for _, m := range d.Made {
		a.Print("made %s", m)
	}
	for _, u := range d.Users {
		a.Print("made user %s with password %s: keep it where the configuration's odoo section points to", u.Login, u.Password)
	}
	if len(d.Made)+len(d.Users) == 0 {
		a.Print("everything was there")
	}
}

// password reads the administrator's password: from a file, so that no list of processes shows it.
func (a *app) password(file string) (string, error) {
	b, err := func() ([]byte, error) {
		if file == "-" {
			return io.ReadAll(a.In)
		}
		return os.ReadFile(file)
	}()
	if err != nil {
		return "", fmt.Errorf("administrator's password: %w", err)
	}
	p := strings.TrimRight(string(b), "\r\n")
	if p == "" {
		return "", console.Usagef("the administrator's password in %s is empty", file)
	}
	return p, nil
}

func connect(o config.Odoo, login string, password func() (string, error)) *odoo.Client {
	return odoo.New(odoo.Options{URL: o.URL, DB: o.DB, Login: login, Password: password, Timeout: o.Timeout, MaxConns: o.MaxConnections})
}

func (a *app) odooCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Prove that the two users have what they need; name what is missing, and what they have beyond it", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.load((*config.Config).ForOdoo)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), checkWithin)
			defer cancel()
			status, money := connect(c.Odoo, c.Odoo.Status.Login, c.Odoo.Status.Password.Reveal), connect(c.Odoo, c.Odoo.Money.Login, c.Odoo.Money.Password.Reveal)
			missing := odoo.Check(ctx, status, money, c.Odoo.FreightProduct)
			if len(missing) == 0 {
				for _, e := range odoo.Excess(ctx, status, money) {
					a.Say("excess: %s", e)
				}
			}
			return a.Judge(missing)
		},
	}
}

// checkWithin bounds a check of an Odoo that answers nothing.
const checkWithin = time.Minute
