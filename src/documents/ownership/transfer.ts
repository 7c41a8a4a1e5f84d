/** A document that its owner wants to hand over to somebody else. Instants are milliseconds by the database's clock. */
export interface Transfer {
  documentId: string;
  title: string;
  fromUserId: string;
  toUserId: string;
  createdAt: number;
  /** Until when it can be accepted. */
  expiresAt: number;
}
