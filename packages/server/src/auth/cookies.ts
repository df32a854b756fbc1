import { stringifySetCookie } from 'cookie';

/**
 * Our two cookies. Both are HttpOnly and SameSite=Lax (a person coming from a link or from the
 * identity provider is signed in; a request that another site makes is not). Over TLS they carry
 * the `__Host-` prefix, so that no neighbouring host can set them.
 */
export interface Cookies {
  readonly sessionName: string;
  readonly signInName: string;
  session(token: string, maxAgeS: number): string;
  clearSession(): string;
  signIn(value: string, maxAgeS: number): string;
  clearSignIn(): string;
}

export function createCookies(secure: boolean): Cookies {
  const prefix = secure ? '__Host-' : '';
  const sessionName = `${prefix}holdfast_session`;
  const signInName = `${prefix}holdfast_signin`;
  const write = (name: string, value: string, maxAgeS: number) =>
    stringifySetCookie({
      name,
      value,
      path: '/',
      httpOnly: true,
      sameSite: 'lax',
      secure,
      maxAge: maxAgeS,
    });
  return {
    sessionName,
    signInName,
    session: (token, maxAgeS) => write(sessionName, token, maxAgeS),
    clearSession: () => write(sessionName, '', 0),
    signIn: (value, maxAgeS) => write(signInName, value, maxAgeS),
    clearSignIn: () => write(signInName, '', 0),
  };
}
